"""When a subscription counts: not when it was asked for, but when the server knows it."""

from nats.aio.client import Client


async def known(client: Client) -> None:
    """Return when the server knows every subscription that was made over this connection.

    One flush does not tell: nats-py writes its ping to the socket ahead of what still waits to be written. The second
    ping follows all of that.
    """
    await client.flush()
    await client.flush()
