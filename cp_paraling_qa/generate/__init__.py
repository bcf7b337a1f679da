"""Questions about clips: from templates, and written by an LLM under a contract; each kept, or dropped with a reason."""
