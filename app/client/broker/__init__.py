"""The agent on a broker's machine: keeps its lists, its certificate and its sessions as the CA says they should be."""
