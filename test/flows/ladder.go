package main

import (
	"slices"
	"strings"
)

// The first two columns.
const (
	client = "client"
	server = "callcontroller"
)

// row is one line of a drawing: a message, or what people do (no from).
type row struct {
	from, to string
	text     string
	request  string // names the request that this is, or answers; "" for INVITE and its like
}

// width is that of a column: room for the longest name.
const width = len(server) + 2

// draw makes the picture: a line a row, its text at the right, where it has room.
func draw(columns []string, rows []row) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 1 {
			c = "phone " + c
		}
		left := (width - len(c)) / 2
		b.WriteString(strings.Repeat(" ", left) + c + strings.Repeat(" ", width-len(c)-left))
	}
	lines := []string{strings.TrimRight(b.String(), " ")}
	for _, r := range adjacent(rows) {
		lines = append(lines, strings.TrimRight(arrow(columns, r)+"  "+r.text, " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

// arrow is the line of a row, without its text.
func arrow(columns []string, r row) string {
	line := []byte(strings.Repeat(" ", width*len(columns)))
	at := func(i int) int { return i*width + width/2 }
	for i := range columns {
		line[at(i)] = '|'
	}
	from, to := slices.Index(columns, r.from), slices.Index(columns, r.to)
	if from < 0 || to < 0 {
		return string(line)
	}
	left, right := at(min(from, to)), at(max(from, to))
	for i := left + 1; i < right; i++ {
		line[i] = '-'
	}
	if from < to {
		line[right-1] = '>'
	} else {
		line[left+1] = '<'
	}
	return string(line)
}

// adjacent puts the answer to a request other than INVITE right below the request.
// Both ends go on without waiting for it, so its place varies from run to run.
func adjacent(rows []row) []row {
	var sorted []row
	for _, r := range rows {
		asked := func(s row) bool { return r.request != "" && s.request == r.request }
		if i := slices.IndexFunc(sorted, asked); i >= 0 {
			sorted = slices.Insert(sorted, i+1, r)
			continue
		}
		sorted = append(sorted, r)
	}
	return sorted
}
