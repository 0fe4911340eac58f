package main

import (
	"io"
	"log/slog"
	"testing"

	"callcontroller/test/bench/load"
)

// BenchmarkCall places calls, fifty at once, with log and journal as the program has them.
// Its CPU profile is what the compiler gets (make pgo).
func BenchmarkCall(b *testing.B) {
	phones := openPhones(b)
	api := serve(b, phones, slog.New(slog.NewJSONHandler(io.Discard, nil)))
	for _, flow := range []load.Flow{load.Refer, load.Invite} {
		b.Run(string(flow), func(b *testing.B) {
			b.ReportAllocs()
			if r := phones.Run(b.Context(), load.Options{Flow: flow, API: api(flow), Calls: b.N, AtOnce: 50}); r.Completed != b.N {
				b.Fatal(r.Reasons)
			}
		})
	}
}
