"""Where tables live; a new destination is one module that passes the contract suite."""
