"""How requests come in: connections, their TLS, and the workers that wait for them."""
