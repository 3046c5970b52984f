"""The project that the emulator begins with."""

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
      "variables": [{ "key": "count", "type": "number", "defaultValue": 4 }],
      "variations": [
        { "key": "popular" },
        { "key": "similar" },
        { "key": "personal", "variables": { "count": 6 } },
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
