"""HTTP, through httpx. The only package that imports it, and not before the first request.

``sync`` and ``loop`` are its two faces, for threads and for an event loop. What they share is written once:

- ``messages``: requests of httpx out of ours, and our answers out of its responses and exceptions
- ``bodies``: how much of an answer is read
- ``environment``: what is read of the environment, and the clients of httpx that we make ourselves; it stands on
  ``proxies``, ``no_proxy``, ``tls`` and ``variables``. Imported with the first client, not with the package
- ``deadline``: when a request of a thread has to be over
- ``network_refusal``: the refusal of the network in test runs
"""

from .loop import AsyncTransport
from .sync import SyncTransport

__all__ = ["AsyncTransport", "SyncTransport"]
