"""What a user gives a command: options, files and folders, opened and checked."""
