"""How much faster modviz is than the plain ways, measured side by side: `make bench`."""
