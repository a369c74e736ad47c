// A witness of transparency-dev on a free loopback port, for one log, that remembers in memory.
//
//	witness KEY-FILE LOGS-YAML     prints its address, then serves until killed
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	cosign "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/omniwitness"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"golang.org/x/mod/sumdb/note"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	signer := must(cosign.NewSignerForCosignatureV1(string(must(os.ReadFile(os.Args[1])))))
	logs := must(omniwitness.NewStaticLogConfig(must(os.ReadFile(os.Args[2]))))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(listener.Addr())
	config := omniwitness.OperatorConfig{
		WitnessKeys:     []note.Signer{signer},
		WitnessVerifier: signer.Verifier(),
		Logs:            logs,
	}
	log.Fatal(omniwitness.Main(ctx, config, inmemory.New(), listener, http.DefaultClient))
}
