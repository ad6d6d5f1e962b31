"""The platforms: what each one's requests look like, and what its replies mean. No I/O, no framework."""
