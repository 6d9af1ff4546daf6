package sqltype

import (
	"strconv"
	"strings"
)

// parseTid reads (block,offset).
func parseTid(s string) (block uint32, offset uint16, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 5 || s[0] != '(' || s[len(s)-1] != ')' {
		return 0, 0, false
	}
	a, b, found := strings.Cut(s[1:len(s)-1], ",")
	x, err1 := strconv.ParseUint(a, 10, 32)
	y, err2 := strconv.ParseUint(b, 10, 16)
	return uint32(x), uint16(y), found && err1 == nil && err2 == nil
}
