"""Puts twenty numbers into the queue, then a word that ends it."""

import os

import redis

queue = redis.Redis(os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]))
for number in range(20):
    queue.rpush("numbers", number)
queue.rpush("numbers", "end")
print("20 numbers are in the queue")
