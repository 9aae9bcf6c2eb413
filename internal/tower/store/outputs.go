package store

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/btcsuite/btcd/wire/v2"
)

// errOutputs says that a row of outputs is damaged.
var errOutputs = errors.New("outputs are cut short")

// outputsToBytes serialises outputs one after the other, each as its value (8
// bytes, the lowest first), the length of its script (2 bytes) and its script.
func outputsToBytes(outs []wire.TxOut) []byte {
	var b []byte
	for _, out := range outs {
		b = binary.LittleEndian.AppendUint64(b, uint64(out.Value))         //nolint:gosec // bits, not a number
		b = binary.LittleEndian.AppendUint16(b, uint16(len(out.PkScript))) //nolint:gosec // at most txscript.MaxScriptSize
		b = append(b, out.PkScript...)
	}
	return b
}

func outputsFromBytes(b []byte) (outs []wire.TxOut, err error) {
	const head = 8 + 2
	for len(b) > 0 {
		if len(b) < head {
			return nil, errOutputs
		}
		value, size := binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint16(b[8:]))
		if b = b[head:]; len(b) < size {
			return nil, errOutputs
		}
		outs = append(outs, wire.TxOut{Value: int64(value), PkScript: bytes.Clone(b[:size])}) //nolint:gosec // bits, not a number
		b = b[size:]
	}
	return outs, nil
}
