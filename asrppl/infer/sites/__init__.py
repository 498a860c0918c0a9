"""What the names of a program mean in a recorded run, and their tensors."""
