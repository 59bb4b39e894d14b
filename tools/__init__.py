"""Tools of the repository: what developers and tests need, and no part of the package."""
