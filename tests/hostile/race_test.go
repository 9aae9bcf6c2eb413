//go:build race

package hostile

// memoryFactor is what the race detector in the tower makes of its memory.
const memoryFactor = 8
