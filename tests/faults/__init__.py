"""What happens when things break: each fault is tried many times on the real thing."""
