package main

import (
	"os"
	"strconv"
	"strings"
)

const (
	leastCache = 256 << 20
	mostCache  = 4 << 30
	cacheShare = 8 // of the memory that the process may use
)

// cacheBytes is the size of the engine's block cache: what the flag says, in MiB,
// or a share of the memory.
func cacheBytes(mb int) int64 {
	if mb > 0 {
		return int64(mb) << 20
	}
	return min(max(memory()/cacheShare, leastCache), mostCache)
}

// memory is how many bytes the process may use: the machine's, or fewer in a
// container; 0: unknown.
func memory() int64 {
	total := installedMemory()
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return total
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil { // "max"
		return total
	}
	if total == 0 {
		return limit
	}
	return min(total, limit)
}
