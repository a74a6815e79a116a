// A busy Go program with net/http/pprof: pprof [ADDRESS [TOKEN CERTIFICATE KEY]].
//
// It prints where it listens. With a token it wants that, and speaks TLS.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
)

var kept [][]byte

func spend() {
	for sum, i := 0, 0; ; i++ {
		sum += i % 7
	}
}

//go:noinline
func keep() {
	for i := 0; i < 64; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func main() {
	keep()
	runtime.GC() // a heap profile is of the last one
	runtime.GC()
	go spend()
	address := "127.0.0.1:0"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	if len(os.Args) < 5 {
		panic(http.Serve(listener, nil))
	}
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+os.Args[2] {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		http.DefaultServeMux.ServeHTTP(w, r)
	})
	panic(http.ServeTLS(listener, guarded, os.Args[3], os.Args[4]))
}
