"""What the command line prints, and how: streams, tables, progress, suggestions."""
