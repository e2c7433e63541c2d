"""CPython's multiprocessing.Pool, measured from inside.

Reads requests from standard input, one per line: the work and how many items.
Answers each with one line: seconds per item. Ends at the end of its input.
Before the first request it says its version.
"""

import math
import multiprocessing
import platform
import statistics
import sys
import time

WORKERS = 2

# As in examples/primes.
NUMBERS = [
    1112272535095293,
    1112582705942171,
    1112272535095291,
    1115280095190773,
    1115797848077099,
    11099726899285419,
]


def noop(value):
    return value


def is_prime(n):
    if n < 2:
        return False
    if n % 2 == 0:
        return n == 2
    for divisor in range(3, math.isqrt(n) + 1, 2):
        if n % divisor == 0:
            return False
    return True


def map_chunk_1(pool, items):
    inputs = list(range(items))
    begin = time.perf_counter()
    pool.map(noop, inputs, chunksize=1)
    return (time.perf_counter() - begin) / items


def map_default(pool, items):
    inputs = list(range(items))
    begin = time.perf_counter()
    pool.map(noop, inputs)
    return (time.perf_counter() - begin) / items


def submit(pool, items):
    begin = time.perf_counter()
    futures = [pool.apply_async(noop, (i,)) for i in range(items)]
    for future in futures:
        future.get()
    return (time.perf_counter() - begin) / items


def apply(pool, items):
    """The median, not the mean: one round trip is what is asked for."""
    times = []
    for i in range(items):
        begin = time.perf_counter()
        pool.apply(noop, (i,))
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def start(_, items):
    begin = time.perf_counter()
    for i in range(items):
        pool = multiprocessing.Pool(WORKERS)
        pool.apply(noop, (i,))
        pool.close()
        pool.join()
    return (time.perf_counter() - begin) / items


def primes(_, items):
    begin = time.perf_counter()
    for _ in range(items):
        pool = multiprocessing.Pool(WORKERS)
        pool.map(is_prime, NUMBERS, chunksize=1)
        pool.close()
        pool.join()
    return (time.perf_counter() - begin) / items


def main():
    works = {
        work.__name__: work
        for work in (map_chunk_1, map_default, submit, apply, start, primes)
    }
    with multiprocessing.Pool(WORKERS) as pool:
        print(platform.python_version(), flush=True)
        for line in sys.stdin:
            work, items = line.split()
            print(works[work](pool, int(items)), flush=True)


if __name__ == "__main__":
    main()
