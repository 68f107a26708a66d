"""Between records and files, and from PyTorch modules to records."""
