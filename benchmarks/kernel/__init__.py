"""What is measured inside a real kernel, in the guest."""
