"""Takes numbers out of the queue until the word that ends it."""

import os

import redis

queue = redis.Redis(os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]))
total = 0
while (item := queue.blpop("numbers", timeout=300)) is not None and item[1] != b"end":
    total += int(item[1])
print(f"the sum is {total}")
