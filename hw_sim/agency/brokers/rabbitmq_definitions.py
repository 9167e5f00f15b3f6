"""The access list as RabbitMQ imports it: users without passwords, permissions, topic permissions.

``python -m hw_sim.agency.brokers.rabbitmq_definitions UNIT… > definitions.json``, then ``rabbitmqctl
import_definitions``: importing adds, so it can be repeated for each unit enrolled. RabbitMQ has two layers, and both say
the same here: permissions on queues and exchange keep every client to the queues of its own client id; topic permissions
are the access list. MQTT topics become AMQP routing keys: ``/`` is ``.``, ``+`` is ``*``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from hw_sim.agency.brokers.access import NAMED, RULES, UNIT, Rule, topics
from hw_sim.agency.names import is_unit_id

VHOST: Final = "/"
EXCHANGE: Final = "amq.topic"
"""Where the MQTT plugin publishes (``mqtt.exchange``)."""
SESSIONS: Final = {"delivery-limit": -1, "max-length": 10_000}
"""Of each session's queue. A message is not given up because the unit's line broke twenty times while it was on its way
(the default); and what piles up for a unit that stays away is bounded, as it is with mosquitto."""


def definitions(units: Iterable[str], rules: Sequence[Rule] = RULES) -> dict[str, Any]:
    """What ``rabbitmqctl import_definitions`` takes, for the named parties and ``units``. Raises ValueError for a name
    that is no unit's."""
    unit_ids = sorted(set(units))
    for unit_id in unit_ids:
        if not is_unit_id(unit_id):
            raise ValueError(f"{unit_id!r}: 不是设备编号 not the id of a unit")
    parties = [(name, name) for name in NAMED] + [(unit_id, UNIT) for unit_id in unit_ids]
    return {
        "vhosts": [{"name": VHOST}],
        "policies": [
            {
                "vhost": VHOST,
                "name": "recorder-sessions",
                "pattern": "^mqtt-subscription-",
                "apply-to": "queues",
                "definition": SESSIONS,
            }
        ],
        # Known by their certificates; without a password hash nobody can log in with a password.
        "users": [{"name": name, "password_hash": "", "tags": []} for name, _ in parties],
        "permissions": [_permission(name) for name, _ in parties],
        "topic_permissions": [
            {
                "user": name,
                "vhost": VHOST,
                "exchange": EXCHANGE,
                "write": routing_keys(topics(rules, who, "write"), name),
                "read": routing_keys(topics(rules, who, "read"), name),
            }
            for name, who in parties
        ],
    }


def routing_keys(filters: Sequence[str], name: str) -> str:
    """A regular expression that matches what lies within ``filters``: topics published, and filters subscribed to."""
    if not filters:
        return "^$"  # an empty expression would match everything
    return f"^({'|'.join(_pattern(filter_.replace(UNIT, name)) for filter_ in filters)})$"


def _pattern(filter_: str) -> str:
    """One filter. A level is never empty and never a ``#``, which would reach further than the filter does."""
    levels = filter_.split("/")
    rest = levels[-1] == "#"
    parts = [r"[^.#]+" if level == "+" else re.escape(level) for level in (levels[:-1] if rest else levels)]
    return r"\.".join(parts) + (r"(\..+)?" if rest else "")


def _permission(name: str) -> dict[str, str]:
    """The queues the plugin makes for a client id: one for each quality of service, one for a delayed will."""
    queues = f"mqtt-(subscription-{re.escape(name)}qos[01]|will-{re.escape(name)})"
    return {
        "user": name,
        "vhost": VHOST,
        "configure": f"^{queues}$",
        # The plugin puts a delayed will into its queue through the default exchange, which no topic reaches.
        "write": f"^({queues}|{re.escape(EXCHANGE)}|amq\\.default)$",
        "read": f"^({queues}|{re.escape(EXCHANGE)})$",
    }


@click.command()
@click.argument("units", nargs=-1)
def main(units: tuple[str, ...]) -> None:
    """RabbitMQ 的用户与权限 · users and permissions for RabbitMQ, as JSON."""
    try:
        found = definitions(units)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
