"""What a code is: what it costs, where training starts, what is reported of it."""
