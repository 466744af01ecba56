"""Translation orders: the customer's role, the translators', and what they tell each other."""
