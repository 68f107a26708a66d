"""The Lava backend and the child process that it watches."""
