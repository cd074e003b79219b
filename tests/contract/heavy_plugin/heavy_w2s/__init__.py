"""A plugin that imports a heavy package when it registers."""
