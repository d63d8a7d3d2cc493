"""Looks at a dojot installation from the outside: who answers for the CA, and what is to be changed.

It reads, and changes nothing. A *door* is one way to the CA: through dojot's gateway, or directly, as dojot's own
containers go.
"""
