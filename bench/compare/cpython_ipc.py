"""CPython's multiprocessing.Queue and Pipe, measured from inside.

Reads requests from standard input, one per line: what, the bytes of a message,
how many processes put (and take), and how many messages. Answers each with one
line of seconds: per message, or of round trips the percentiles 50, 99 and 99.9.
Ends at the end of its input. Before the first request it says its version.

A message is a bytes object. Each process has a processor where there are as
many, as ours have.
"""

import multiprocessing
import os
import platform
import sys
import time


def capacity(size):
    return 1024 if size <= 4096 else 64


def run_all(bodies):
    """Runs each in a process of its own. What they return, and the seconds
    from when all were there until the last had done."""
    gate = multiprocessing.Barrier(len(bodies))
    processors = sorted(os.sched_getaffinity(0))

    def run(number, body, result):
        os.sched_setaffinity(0, {processors[number % len(processors)]})
        gate.wait()
        begin = time.perf_counter()
        returned = body()
        result.send((begin, time.perf_counter(), returned))

    children = []
    for number, body in enumerate(bodies):
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(target=run, args=(number, body, sender))
        process.start()
        sender.close()
        children.append((process, receiver))
    results = [receiver.recv() for _, receiver in children]
    for process, _ in children:
        process.join()
    seconds = max(end for _, end, _ in results) - max(begin for begin, _, _ in results)
    return seconds, [returned for _, _, returned in results]


def stream(puts_and_gets, size, items):
    """Each `put` of the pairs `items` times, beside its `get`."""
    message = bytes(size)

    def repeat(call, *arguments):
        for _ in range(items):
            call(*arguments)

    bodies = []
    for put, get in puts_and_gets:
        bodies.append(lambda put=put: repeat(put, message))
        bodies.append(lambda get=get: repeat(get))
    seconds, _ = run_all(bodies)
    return [seconds / (items * len(puts_and_gets))]


def round_trips(size, items, put, get, answer_get, answer_put):
    message = bytes(size)

    def ask():
        times = []
        for _ in range(items):
            begin = time.perf_counter()
            put(message)
            get()
            times.append(time.perf_counter() - begin)
        times.sort()
        return [times[int((items - 1) * percent / 100)] for percent in (50, 99, 99.9)]

    def answer():
        for _ in range(items):
            answer_put(answer_get())

    return run_all([ask, answer])[1][0]


def queue_stream(size, pairs, items):
    queue = multiprocessing.Queue(capacity(size))
    return stream([(queue.put, queue.get)] * pairs, size, items // pairs + 1)


def queue_round_trips(size, _, items):
    there = multiprocessing.Queue(capacity(size))
    back = multiprocessing.Queue(capacity(size))
    return round_trips(size, items, there.put, back.get, there.get, back.put)


def pipe_stream(size, _, items):
    one, other = multiprocessing.Pipe()
    return stream([(one.send_bytes, other.recv_bytes)], size, items)


def pipe_round_trips(size, _, items):
    one, other = multiprocessing.Pipe()
    return round_trips(size, items, one.send_bytes, one.recv_bytes, other.recv_bytes, other.send_bytes)


def main():
    works = {
        work.__name__: work
        for work in (queue_stream, queue_round_trips, pipe_stream, pipe_round_trips)
    }
    # Children that are forked take functions as they are; they need not be pickled.
    multiprocessing.set_start_method("fork")
    print(platform.python_version(), flush=True)
    for line in sys.stdin:
        work, size, pairs, items = line.split()
        print(*works[work](int(size), int(pairs), int(items)), flush=True)


if __name__ == "__main__":
    main()
