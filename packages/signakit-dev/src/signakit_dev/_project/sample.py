"""The project that the emulator begins with, and the SDK key that goes with a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signakit_flags import parse_sdk_key

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY_KEY = "sk_dev_local_project_emulator"
"""Works like any other well-formed key."""


def sdk_key_of(project: Mapping[str, Any]) -> str:
    """Return the key that a project names, or one that does as well where it names none: the emulator takes any."""
    return named_key(project) or ANY_KEY


def named_key(project: Mapping[str, Any]) -> str | None:
    """Return the key that a project names; None where it names none that is well-formed."""
    try:
        return str(parse_sdk_key(project.get("sdkKey")).text)  # a key to be read: without its redacted repr()
    except ValueError:
        return None


SAMPLE = """\
{
  "projectId": "shop",
  "environmentKey": "development",
  "version": 1,
  "flags": [
    {
      "key": "new-checkout",
      "salt": "new-checkout",
      "status": "active",
      "running": true,
      "variations": [
        { "key": "control" },
        { "key": "treatment" },
        { "key": "off" }
      ],
      "rules": [
        {
          "ruleKey": "pro-customers",
          "ruleType": "ab-test",
          "audiences": [
            { "conditions": [{ "attribute": "plan", "operator": "equals", "value": "pro" }] }
          ],
          "trafficPercentage": 100,
          "variationAllocation": {
            "ranges": [
              { "variation": "control", "start": 0, "end": 4999 },
              { "variation": "treatment", "start": 5000, "end": 9999 }
            ]
          },
          "eventKeys": ["purchase"],
          "primaryEventKey": "purchase"
        }
      ],
      "allocation": { "ranges": [{ "variation": "off", "start": 0, "end": 9999 }] }
    },
    {
      "key": "beta-dashboard",
      "salt": "beta-dashboard",
      "status": "active",
      "running": true,
      "variations": [
        { "key": "on" },
        { "key": "off" }
      ],
      "rules": [
        {
          "ruleKey": "first-countries",
          "ruleType": "targeted",
          "audiences": [
            { "conditions": [{ "attribute": "country", "operator": "in", "value": ["DE", "AT"] }] }
          ],
          "allowlist": [{ "userId": "ada", "variation": "on" }],
          "trafficPercentage": 50,
          "variationAllocation": { "ranges": [{ "variation": "on", "start": 0, "end": 9999 }] }
        }
      ],
      "allocation": { "ranges": [{ "variation": "off", "start": 0, "end": 9999 }] }
    },
    {
      "key": "banner",
      "salt": "banner",
      "status": "active",
      "running": true,
      "variables": [
        { "key": "text", "type": "string", "defaultValue": "" },
        { "key": "seconds", "type": "number", "defaultValue": 5 }
      ],
      "variations": [
        { "key": "on", "variables": { "text": "Free delivery" } },
        { "key": "off" }
      ],
      "allocation": { "ranges": [{ "variation": "on", "start": 0, "end": 9999 }] }
    },
    {
      "key": "recommendations",
      "salt": "recommendations",
      "status": "active",
      "running": true,
      "variables": [
        { "key": "count", "type": "number", "defaultValue": 4 },
        {
          "key": "layout",
          "type": "json",
          "defaultValue": { "columns": 2, "heading": "What others like" }
        }
      ],
      "variations": [
        { "key": "popular" },
        { "key": "similar" },
        {
          "key": "personal",
          "variables": { "count": 6, "layout": { "columns": 3, "heading": "Picked for you" } }
        },
        { "key": "off" }
      ],
      "rules": [
        {
          "ruleKey": "best-list",
          "ruleType": "multi-armed-bandit",
          "trafficPercentage": 80,
          "variationAllocation": {
            "ranges": [
              { "variation": "popular", "start": 0, "end": 1999 },
              { "variation": "similar", "start": 2000, "end": 4499 },
              { "variation": "personal", "start": 4500, "end": 9999 }
            ]
          },
          "eventKeys": ["add-to-cart", "purchase"],
          "primaryEventKey": "add-to-cart"
        }
      ],
      "allocation": { "ranges": [{ "variation": "popular", "start": 0, "end": 9999 }] }
    },
    {
      "key": "dark-mode",
      "salt": "dark-mode",
      "status": "active",
      "running": false,
      "variations": [
        { "key": "on" },
        { "key": "off" }
      ],
      "rules": [
        {
          "ruleKey": "staff",
          "ruleType": "targeted",
          "audiences": [
            {
              "conditions": [
                { "attribute": "email", "operator": "contains", "value": "@example.com" }
              ]
            }
          ],
          "trafficPercentage": 100,
          "variationAllocation": { "ranges": [{ "variation": "on", "start": 0, "end": 9999 }] }
        }
      ],
      "allocation": { "ranges": [{ "variation": "off", "start": 0, "end": 9999 }] }
    }
  ]
}
"""
"""An A/B test for paying customers, a rollout to two countries, a banner with variables, a multi-armed bandit, and a
flag that is not running yet."""
