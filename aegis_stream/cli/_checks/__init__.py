"""What `aegis doctor` looks at, one module an area."""
