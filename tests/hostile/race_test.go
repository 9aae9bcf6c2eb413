//go:build race

package hostile

// memoryFactor is what the race detector makes of a process's memory.
const memoryFactor = 8
