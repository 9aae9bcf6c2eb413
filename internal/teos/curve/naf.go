package curve

import "math/bits"

// length is how many digits a half may have: its bits and a carry.
const length = 129

// naf is a number's digits, the lowest first: each is 0 or odd, and after one that is
// not 0 come as many zeros as the width is but one.
type naf [length]int16

// write writes a half with digits below 2^(width-1) in absolute value. It returns how
// many there are.
func (digits *naf) write(k half, width uint) (n int) {
	low, high := k.words[0], k.words[1]
	for at := 0; low|high != 0; {
		if zeros := bits.TrailingZeros64(low); zeros > 0 {
			low, high = shift(low, high, uint(zeros))
			at += zeros
			continue
		}
		d := int16(low & (1<<width - 1)) //nolint:gosec // of width bits
		low -= uint64(d)
		if d >= 1<<(width-1) {
			d -= 1 << width
			var carry uint64
			low, carry = bits.Add64(low, 1<<width, 0)
			high += carry // halves end well below 2^128
		}
		if k.negative {
			digits[at] = -d
		} else {
			digits[at] = d
		}
		n = at + 1
	}
	return n
}

// shift divides by 2^n, for n up to 64.
func shift(low, high uint64, n uint) (uint64, uint64) {
	return low>>n | high<<(64-n), high >> n
}
