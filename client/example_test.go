package client_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"callcontroller/api"
	"callcontroller/client"
)

// server answers like a callcontroller on which one call is put together at once.
func server() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/calls", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":"OCNB","state":"queued"}`)
	})
	mux.HandleFunc("GET /v1/calls/OCNB", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":"OCNB","state":"ended","outcome":{"result":"completed","ended_by":"callee"}}`)
	})
	mux.HandleFunc("GET /v1/calls/OCNB/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 6\ndata: {\"id\":\"6\",\"type\":\"call.leg.ringing\",\"leg\":\"caller\"}\n\n")
		fmt.Fprint(w, "id: 7\ndata: {\"id\":\"7\",\"type\":\"call.ended\"}\n\n")
	})
	mux.HandleFunc("DELETE /v1/calls/OCNB", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"title":"Not Found","status":404,"detail":"there is no call \"OCNB\""}`)
	})
	return httptest.NewTLSServer(mux)
}

func connect(s *httptest.Server) *client.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, err := client.New(s.URL, client.Basic("201", "change-me"), client.RootCAs(roots))
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func Example() {
	s := server()
	defer s.Close()
	c := connect(s)
	defer c.Close()

	call, err := c.Place(context.Background(), api.PlaceCall{Caller: "201", Callee: "202"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(call.ID, call.State)
	for call, err := range c.Watch(context.Background(), call.ID) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(call.ID, call.State)
		if call.Outcome != nil {
			fmt.Println(call.Outcome.Result)
		}
	}
	// Output:
	// OCNB queued
	// OCNB ended
	// completed
}

func ExampleError() {
	s := server()
	defer s.Close()
	c := connect(s)
	defer c.Close()

	err := c.Hangup(context.Background(), "OCNB")
	if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Status == http.StatusNotFound {
		fmt.Println(e.Problem.Detail)
	}
	// Output: there is no call "OCNB"
}

func ExampleClient_Events() {
	s := server()
	defer s.Close()
	c := connect(s)
	defer c.Close()

	for e, err := range c.Events(context.Background(), client.EventsOptions{Call: "OCNB"}) {
		if gap, ok := errors.AsType[*client.GapError](err); ok {
			fmt.Println("missed some behind", gap.After)
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Type)
	}
	// Output:
	// call.leg.ringing
	// call.ended
}
