// Kafka's protocol in one small process, for tests: kfake [-sasl MECHANISM:USER:PASSWORD] [-tls CERTIFICATE,KEY] PORT DIRECTORY.
// With kfake -registry [-authorization HEADER] PORT a schema registry instead.
// Every produced batch is synced to the directory, and a restart finds it again.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	sasl := flag.String("sasl", "", "MECHANISM:USER:PASSWORD")
	files := flag.String("tls", "", "CERTIFICATE,KEY")
	isRegistry := flag.Bool("registry", false, "a schema registry")
	authorization := flag.String("authorization", "", "of the registry: what the header must say")
	flag.Parse()
	if *isRegistry {
		options := []srfake.Option{}
		if *authorization != "" {
			options = append(options, srfake.WithAuth(*authorization))
		}
		check(http.ListenAndServe("127.0.0.1:"+flag.Arg(0), srfake.NewRegistry(options...).Handler()))
	}
	port, err := strconv.Atoi(flag.Arg(0))
	check(err)
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port), kfake.DefaultNumPartitions(1),
		kfake.DataDir(flag.Arg(1)), kfake.SyncWrites()}
	if *sasl != "" {
		parts := strings.SplitN(*sasl, ":", 3)
		options = append(options, kfake.EnableSASL(), kfake.Superuser(parts[0], parts[1], parts[2]))
	}
	if *files != "" {
		names := strings.SplitN(*files, ",", 2)
		pair, err := tls.LoadX509KeyPair(names[0], names[1])
		check(err)
		options = append(options, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	}
	cluster, err := kfake.NewCluster(options...)
	check(err)
	fmt.Println("listening on", cluster.ListenAddrs())
	wait := make(chan os.Signal, 1)
	signal.Notify(wait, os.Interrupt, syscall.SIGTERM)
	<-wait
	cluster.Close()
}
