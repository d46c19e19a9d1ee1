"""One file each, imported only by who asks for it: web backends, OpenTelemetry, procrastinate."""
