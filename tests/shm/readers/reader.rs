// Reads a live ticks ring of another process, with nothing but std and libc's mmap.
//   reader RING COUNT
// Prints `lost FIRST END` for every lap, then `read END RECORDS CHECKSUM`.
use std::os::fd::AsRawFd;
use std::sync::atomic::{fence, AtomicU64, Ordering};

#[repr(C)]
#[derive(Clone, Copy)]
struct Tick {
    instrument: u32,
    kind: u16,
    flags: u16,
    ts_event_ns: i64,
    ts_recv_ns: i64,
    v: [f64; 5],
}
const _: () = assert!(std::mem::size_of::<Tick>() == 64);

const TAIL: usize = 1024;
const TAIL_INTENT: usize = 1152;
const RECORDS: usize = 4096;

extern "C" {
    fn mmap(at: *mut u8, size: usize, protection: i32, flags: i32, fd: i32, from: i64) -> *mut u8;
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let file = std::fs::File::open(&arguments[1]).expect("the ring's file");
    let size = file.metadata().expect("its size").len() as usize;
    // PROT_READ = 1, MAP_SHARED = 1
    let base = unsafe { mmap(std::ptr::null_mut(), size, 1, 1, file.as_raw_fd(), 0) };
    assert!(base as isize != -1, "mmap failed");
    let word = |offset: usize| unsafe { &*(base.add(offset) as *const AtomicU64) };
    let plain = |offset: usize| word(offset).load(Ordering::Relaxed);
    assert_eq!(plain(0).to_le_bytes(), *b"AEGISSHM");
    let found = (plain(8) as u32, plain(8) >> 32, plain(32));
    assert_eq!(found, (1, 1, 64), "layout, kind, record size");
    let (capacity, count) = (plain(24), arguments[2].parse::<u64>().expect("a count"));
    let (mut cursor, mut got, mut checksum) = (0u64, 0u64, 0u64);
    while cursor < count {
        let tail = word(TAIL).load(Ordering::Acquire);
        if tail == cursor {
            std::hint::spin_loop();
            continue;
        }
        let slot = RECORDS + (cursor & (capacity - 1)) as usize * 64;
        let copy = unsafe { std::ptr::read_volatile(base.add(slot) as *const Tick) };
        fence(Ordering::Acquire);
        if word(TAIL_INTENT).load(Ordering::Relaxed) - cursor > capacity {
            // Overwritten, or being overwritten, while we copied.
            let tail = word(TAIL).load(Ordering::Acquire);
            println!("lost {cursor} {tail}");
            cursor = tail;
            continue;
        }
        let head = copy.instrument as u64 + copy.kind as u64 + copy.flags as u64;
        let times = (copy.ts_event_ns as u64).wrapping_add(copy.ts_recv_ns as u64);
        let values: u64 = copy.v.iter().map(|value| *value as u64).sum();
        checksum = checksum.wrapping_add(head).wrapping_add(times).wrapping_add(values);
        got += 1;
        cursor += 1;
    }
    println!("read {cursor} {got} {checksum}");
}
