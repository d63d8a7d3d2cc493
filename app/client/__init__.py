"""What a client of the CA does on its own machine: ask over HTTP, make keys, verify what comes back, write it down.

Imports nothing of ``app`` but itself, and of libraries only cryptography, and click in ``command``: the same folder is
the package ``midca_client`` of the distribution midca-retrieve, which goes where no server is.
"""
