"""Training: nets, members, phases, and what is measured after."""
