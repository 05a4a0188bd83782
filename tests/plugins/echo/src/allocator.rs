//! A global allocator of this library's own, whose blocks no other one can free: each lies a little behind what the system
//! gave out. It ends the process when it is asked to free a block that is not its own. So whatever crosses the boundary and
//! is freed on the wrong side shows at once.

use std::alloc::{GlobalAlloc, Layout, System};

struct Tagging;

#[global_allocator]
static ALLOCATOR: Tagging = Tagging;

/// Stands in the eight bytes before each block.
const TAG: u64 = 0x6563_686f_6563_686f;
const TAG_BYTES: usize = size_of::<u64>();

/// The block with room for the tag before it, and where the block begins in that. Absent if it would be too large.
fn with_room(block: Layout) -> Option<(Layout, usize)> {
    let align = block.align().max(TAG_BYTES);
    // A multiple of the alignment, so that the block is aligned where the whole is.
    let begin = align;
    let whole = Layout::from_size_align(block.size().checked_add(begin)?, align).ok()?;
    Some((whole, begin))
}

// SAFETY: a block is a part of what `System` gave out for a layout that holds the block behind the room for the tag; the same
// block layout leads to the same whole again when it is freed. `realloc` and `alloc_zeroed` are the trait's own.
unsafe impl GlobalAlloc for Tagging {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, begin)) = with_room(layout) else {
            return std::ptr::null_mut();
        };
        // SAFETY: its size is not 0, it holds the tag at least.
        let start = unsafe { System.alloc(whole) };
        if start.is_null() {
            return start;
        }
        // SAFETY: `begin` lies within the whole.
        let block = unsafe { start.add(begin) };
        // SAFETY: `begin` is at least `TAG_BYTES`.
        let tag = unsafe { block.sub(TAG_BYTES) };
        // SAFETY: the bytes before the block belong to this allocation.
        unsafe { tag.cast::<u64>().write_unaligned(TAG) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((whole, begin)) = with_room(layout) else {
            std::process::abort();
        };
        // SAFETY: a block of this allocator has the tag before it. For a stranger's, reading there is the last thing that
        // this process does, or nearly.
        let tag = unsafe { block.sub(TAG_BYTES) };
        // SAFETY: as above.
        let found = unsafe { tag.cast::<u64>().read_unaligned() };
        if found != TAG {
            std::process::abort();
        }
        // A second `dealloc` of the same block finds no tag.
        // SAFETY: as above.
        unsafe { tag.cast::<u64>().write_unaligned(0) };
        // SAFETY: `alloc` added the same.
        let start = unsafe { block.sub(begin) };
        // SAFETY: `System` gave `start` out for `whole`.
        unsafe { System.dealloc(start, whole) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_tagged() {
        for align in [1, 8, 16, 64, 4096] {
            let layout = Layout::from_size_align(100, align).expect("is a layout");
            // SAFETY: the size is not 0.
            let block = unsafe { ALLOCATOR.alloc(layout) };
            assert!(!block.is_null() && block.addr().is_multiple_of(align));
            // SAFETY: the block was given out for this layout just above.
            unsafe { ALLOCATOR.dealloc(block, layout) };
        }
    }
}
