package lab

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxNetstring is more than any message of a phone has.
const maxNetstring = 1 << 20

// readNetstring reads "LENGTH:BYTES," and returns the bytes.
func readNetstring(r *bufio.Reader) ([]byte, error) {
	length, err := r.ReadString(':')
	if err != nil {
		return nil, fmt.Errorf("read the length of a netstring: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil || n < 0 || n > maxNetstring {
		return nil, fmt.Errorf("read a netstring: length %q", length)
	}
	text := make([]byte, n+1)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("read a netstring of %d bytes: %w", n, err)
	}
	if text[n] != ',' {
		return nil, fmt.Errorf("read a netstring: %q instead of a comma at its end", text[n])
	}
	return text[:n], nil
}
