"""What `modviz.doctor` looks at. Every check is a small function of what it is told."""
