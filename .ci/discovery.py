#!/usr/bin/env python3
"""Checks a discovery message against the schemas of Home Assistant: discovery.py FILE, with a Python that has homeassistant and paho-mqtt.

The message as a whole, then each component with what it gets of the message, by the schema of its platform. Keys that a platform does not
know are an error here: Home Assistant drops them without a word.
"""

import asyncio
import importlib
import json
import pathlib
import sys
import tempfile

from homeassistant.components.mqtt import schemas
from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame


async def main():
    with tempfile.TemporaryDirectory() as folder:
        frame.async_setup(HomeAssistant(folder))
        message = schemas.DEVICE_DISCOVERY_SCHEMA(json.loads(pathlib.Path(sys.argv[1]).read_text()))
        checked = []
        for name, component in message["components"].items():
            component = dict(component)
            platform = component.pop("platform")
            if not component:
                continue  # stands for its removal
            component |= {"device": message["device"], "origin": message["origin"]}
            for key in schemas.SHARED_OPTIONS:
                if key in message and key not in component:
                    component[key] = message[key]
            result = importlib.import_module(f"homeassistant.components.mqtt.{platform}").DISCOVERY_SCHEMA(component)
            if unknown := {key for key in component if key not in result}:
                sys.exit(f"{name}: {platform} does not know {', '.join(sorted(unknown))}")
            if result["qos"] != 1:
                sys.exit(f"{name}: QoS {result['qos']}")
            checked.append(f"{name} ({platform})")
        print(", ".join(checked))


asyncio.run(main())
