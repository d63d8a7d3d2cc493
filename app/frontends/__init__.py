"""Who asks: each wire protocol in its own folder, none imports another."""
