// Reads a live ticks ring of another process, with nothing but libc.
//   reader RING COUNT [COUNTERS NAME]
// Prints `lost FIRST END` for every lap, then `read END RECORDS CHECKSUM`, then `counter VALUE`.
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct tick {
    uint32_t instrument;
    uint16_t kind, flags;
    int64_t ts_event_ns, ts_recv_ns;
    double v[5];
};
_Static_assert(sizeof(struct tick) == 64, "a tick is one cache line");
enum { TAIL = 1024 / 8, TAIL_INTENT = 1152 / 8, RECORDS = 4096, NAME_BYTES = 512 };

static const char *map(const char *path, uint32_t kind, uint64_t record_bytes) {
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat state;
    if (file < 0 || fstat(file, &state) != 0) { perror(path); exit(1); }
    const char *base = mmap(NULL, state.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) { perror(path); exit(1); }
    const uint32_t *words = (const uint32_t *)base;
    if (memcmp(base, "AEGISSHM", 8) || words[2] != 1 || words[3] != kind
        || ((const uint64_t *)base)[4] != record_bytes) {
        fprintf(stderr, "%s: not a region of this kind\n", path);
        exit(1);
    }
    return base;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *base = map(argv[1], 1, sizeof(struct tick));
    const _Atomic uint64_t *header = (const _Atomic uint64_t *)base;
    const struct tick *records = (const struct tick *)(base + RECORDS);
    uint64_t capacity = ((const uint64_t *)base)[3], count = strtoull(argv[2], NULL, 10);
    uint64_t cursor = 0, got = 0, checksum = 0;
    while (cursor < count) {
        uint64_t tail = atomic_load_explicit(&header[TAIL], memory_order_acquire);
        if (tail == cursor) continue;
        struct tick copy = records[cursor & (capacity - 1)];
        atomic_thread_fence(memory_order_acquire);
        uint64_t intent = atomic_load_explicit(&header[TAIL_INTENT], memory_order_relaxed);
        if (intent - cursor > capacity) { // overwritten, or being overwritten, while we copied
            tail = atomic_load_explicit(&header[TAIL], memory_order_acquire);
            printf("lost %" PRIu64 " %" PRIu64 "\n", cursor, tail);
            cursor = tail;
            continue;
        }
        checksum += copy.instrument + copy.kind + copy.flags + copy.ts_event_ns + copy.ts_recv_ns;
        for (int place = 0; place < 5; place++) checksum += (uint64_t)copy.v[place];
        got++;
        cursor++;
    }
    printf("read %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", cursor, got, checksum);
    if (argc < 5) return 0;
    const char *region = map(argv[3], 5, NAME_BYTES), *names = region + RECORDS;
    uint64_t places = ((const uint64_t *)region)[3];
    const char *values = names + places * NAME_BYTES;
    for (uint64_t place = 0; place < places; place++)
        if (!strncmp(names + place * NAME_BYTES + 8, argv[4], 112))
            printf("counter %" PRId64 "\n", *(const int64_t *)(values + place * 128));
    return 0;
}
