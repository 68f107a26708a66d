"""Pictures of networks and of what they did: SVG for the report, for notebooks and for files."""
