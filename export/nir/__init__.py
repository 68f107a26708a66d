"""Records <-> NIR files, and the NIR graphs of other tools."""
