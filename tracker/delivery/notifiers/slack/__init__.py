"""Slack: an incoming webhook, or a bot with a card for each job; their texts and limits."""
