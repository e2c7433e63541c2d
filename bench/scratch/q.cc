#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <array>
#include <sys/resource.h>
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/deadline.h"
using namespace shoal;
using M = std::array<unsigned char, 64>;
static void Pin(int c){cpu_set_t s;CPU_ZERO(&s);CPU_SET(c,&s);sched_setaffinity(0,sizeof s,&s);}
int main(int argc,char**argv){
  auto seg=Segment::Create().value();
  size_t cap = argc>2?atoi(argv[2]):1024;
  auto q=Queue<M>::Create({.segment=&seg,.capacity=cap}).value();
  (void)q.PublishAs("q");
  M m={};
  const int n=2000000;
  int mode=atoi(argv[1]);
  if(mode==0){
    for(int r=0;r<3;++r){
    auto b=sync_internal::Deadline::Now();
    for(int i=0;i<n;++i){ (void)q.Put(m); auto g=q.Get(); if(!g.ok()) abort(); }
    printf("put+get %.1f ns\n",(sync_internal::Deadline::Now()-b)/double(n));
    }
    return 0;
  }
  for(int r=0;r<5;++r){
  auto b=sync_internal::Deadline::Now();
  pid_t kids[8]; int k=0;
  for(int i=0;i<mode;++i){
    if((kids[k++]=fork())==0){Pin(0); auto x=Queue<M>::Find(seg,"q").value(); for(int j=0;j<n/mode;++j) if(!x.Put(m).ok()) abort(); struct rusage u; getrusage(RUSAGE_SELF,&u); fprintf(stderr,"put: vol %ld invol %ld | ",u.ru_nvcsw,u.ru_nivcsw); _exit(0);}
    if((kids[k++]=fork())==0){Pin(1); auto x=Queue<M>::Find(seg,"q").value(); for(int j=0;j<n/mode;++j) if(!x.Get().ok()) abort(); struct rusage u; getrusage(RUSAGE_SELF,&u); fprintf(stderr,"get: vol %ld invol %ld | ",u.ru_nvcsw,u.ru_nivcsw);_exit(0);}
  }
  for(int i=0;i<k;++i){int st;waitpid(kids[i],&st,0);}
  printf("%d->%d %.2f M/s\n",mode,mode,n/((sync_internal::Deadline::Now()-b)*1e-9)/1e6); fflush(stdout);
  }
}
