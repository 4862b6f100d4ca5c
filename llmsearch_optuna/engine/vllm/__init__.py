"""vLLM: the plug-in that draws this package's tokens inside it, and the engine that runs it in this process."""
