package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"callcontroller/test/bench/load"
)

// BenchmarkCall places calls, fifty at once, with log and journal as the program has them.
func BenchmarkCall(b *testing.B) {
	phones := openPhones(b)
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	api := serve(b, phones, slog.New(slog.NewJSONHandler(file, nil)))
	for _, flow := range []load.Flow{load.Refer, load.Invite} {
		b.Run(string(flow), func(b *testing.B) {
			b.ReportAllocs()
			if r := phones.Run(b.Context(), load.Options{Flow: flow, API: api(flow), Calls: b.N, AtOnce: 50}); r.Completed != b.N {
				b.Fatal(r.Reasons)
			}
		})
	}
}
