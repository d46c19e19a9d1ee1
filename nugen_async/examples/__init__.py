"""Whole apps, a file each: start alignments from a page, and watch them live.

Each keeps the same promises: one client per process, one poll for any number of viewers, nothing lost when
the page is reloaded. Without a key, run them on the simulator::

    python -m nugen_async.simulator --trusting          # and do what it prints
    python -m nugen_async.examples.fastapi_app          # then open http://127.0.0.1:8000
"""
